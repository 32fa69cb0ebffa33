/** Ways in which a JSON message may be mutilated on its way; each yields many texts from one. */

const MARKS = ['"', '{', ']', ',', ':', '\\']

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Characters dropped, doubled, swapped, replaced, put in, and the rest cut off. */
export function* characterMutations(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += 1) {
    const [before, after] = [text.slice(0, at), text.slice(at + 1)]
    yield before
    yield before + after
    yield before + text.charAt(at) + text.slice(at)
    yield before + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2)
    for (const mark of MARKS) {
      yield before + mark + after
      yield before + mark + text.slice(at)
    }
  }
}

/** The same with whole tokens, and any two tokens swapped; the marks around a string are tokens of their own. */
export function* tokenMutations(text: string): Generator<string> {
  const tokens = text.match(/"(?:,|:)?"?|[{}[\],:]|[^"{}[\],:]+/g) ?? []
  const joined = (change: (copy: string[]) => void) => {
    const copy = [...tokens]
    change(copy)
    return copy.join('')
  }
  for (let at = 0; at < tokens.length; at += 1) {
    yield joined((copy) => copy.splice(at, 1))
    yield joined((copy) => copy.splice(at, 2))
    yield joined((copy) => copy.splice(at, 0, copy[at] ?? ''))
    for (let other = at + 1; other < tokens.length; other += 1) {
      yield joined((copy) => {
        ;[copy[at], copy[other]] = [copy[other] ?? '', copy[at] ?? '']
      })
    }
  }
}

/** Well-formed messages of which one member has another name or value. */
export function* memberMutations(message: Json, password: string): Generator<string> {
  const names = ['Password', 'PASSWORD', 'adminPass', 'pasword', 'passwd', 'secret', 'pass word', 'name']
  const values: Json[] = [
    password,
    [password],
    { [password]: 1 },
    { [password]: { [password]: password } },
    { password },
    { password: { [password]: '\u0000' } },
    [[{ [password]: [password] }]],
    `${password}\u0000`,
    null,
    7,
  ]
  for (const edited of edits(message, (name, value) => [
    [],
    [[password, value]],
    [[`password${password}`, value]],
    [[`${password}${name}`, value]],
    [[password.toUpperCase(), value]],
    [[password.slice(1), value]],
    [
      [name, value],
      [password, value],
    ],
    [
      [name, value],
      [`${password}\u0000`, value],
    ],
    [[typeof value === 'string' ? value : name, name]],
    ...names.map((other): [string, Json][] => [[other, value]]),
    ...values.map((other): [string, Json][] => [[name, other]]),
    ...values.map((other): [string, Json][] => [[password, other]]),
    ...values.map((other): [string, Json][] => [
      [name, value],
      ['metadata', other],
    ]),
  ])) {
    const text = JSON.stringify(edited)
    yield text
    yield text.replaceAll(password, escapedWhole(password))
    // Each member twice, the first time with another value.
    yield text.replace(/"password":/, `"password":"${password}","password":`)
    yield text.replace('"spec":', `"spec":{"${password}":{"a":1,"a":2}},"spec":`)
  }
}

function escapedWhole(text: string): string {
  return [...text].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}

/** Every copy of a value in which one member stands as `change` has it. */
function* edits(value: Json, change: (name: string, value: Json) => [string, Json][][]): Generator<Json> {
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      for (const edited of edits(element, change)) yield value.with(index, edited)
    }
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
    for (const [index, [name, member]] of members.entries()) {
      for (const changed of change(name, member))
        yield Object.fromEntries(members.toSpliced(index, 1, ...changed))
      for (const edited of edits(member, change)) {
        yield Object.fromEntries(members.with(index, [name, edited]))
      }
    }
  }
}
