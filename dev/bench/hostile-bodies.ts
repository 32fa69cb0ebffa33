import type { SeededRandom } from '../seeded-random.ts'

/** A body made to cost as much as it can. */
export interface HostileBody {
  name: string
  text: string
  contentType: string
  /** Valid JSON of the same construction, to compare with: the text itself, or that from which it was broken. */
  valid: string
}

const JSON_TYPE = 'application/json'
const EVENT_TYPE = 'application/cloudevents+json'
const SPEC = '"name":"n","image_id":"i","vpc_id":"v","network_interfaces":[{"subnet_id":"s"}]'
const SECRET = '"password":"Sup3r-Secret!"'
const IDS = '"project_id":"p","request_id":"r"'

/** Everything known to have been slow, or likely to be, each filled up to `bytes`. */
export function hostileBodies(bytes: number): HostileBody[] {
  /** As many units as fit, between `open` and `close`. */
  const fill = (open: string, unit: (index: number) => string, close: string, separator = ','): string => {
    const parts: string[] = []
    let room = bytes - Buffer.byteLength(open + close)
    for (let index = 0; ; index += 1) {
      const part = (index === 0 ? '' : separator) + unit(index)
      room -= Buffer.byteLength(part)
      if (room < 0) return open + parts.join('') + close
      parts.push(part)
    }
  }
  const once = (open: string, character: string, close: string) => fill(open, () => character, close, '')
  const order = (inSpec: string, unit: (index: number) => string, close: string) =>
    fill(`{${IDS},"spec":{${SPEC},${SECRET}${inSpec}`, unit, `${close}}}`)
  const body = (name: string, text: string, contentType = JSON_TYPE): HostileBody => ({
    ...{ name, text, contentType, valid: text },
  })
  /** The same with its last bytes gone, or others in their place. */
  const broken = ({ name, text, contentType }: HostileBody, end = ''): HostileBody => ({
    ...{ name: `${name}, broken`, text: text.slice(0, -2 - end.length) + end, contentType, valid: text },
  })

  const wide = body(
    'unknown members',
    order(',', (n) => `"k${n}":1`, ''),
  )
  const secretNames = body(
    'names like secrets',
    order(',', (n) => `"password${n}":{"Sup3r-Secret!${n}":1}`, ''),
  )
  const deep = Math.floor((bytes - 4) / 6)
  const valid = [
    wide,
    secretNames,
    body(
      'unknown members at the top',
      fill('{', (n) => `"k${n}":1`, '}'),
    ),
    body(
      'names that are numbers',
      order(',"metadata":{', (n) => `"${n}":0`, '}'),
    ),
    body(
      'bad pairs of metadata',
      order(',"metadata":{', (n) => `"é${n}":0`, '}'),
    ),
    body(
      'bad attributes of a CloudEvent',
      fill(`{"data":{${IDS}},`, (n) => `"K${n}":{}`, '}'),
      EVENT_TYPE,
    ),
    body(
      'interfaces of nothing',
      order(',"network_interfaces":[', () => '{}', ']'),
    ),
    body(
      'interfaces with unknown members',
      fill('{"spec":{"network_interfaces":[', (n) => `{"k${n}":1}`, ']}}'),
    ),
    body(
      'servers that are none',
      order(',"placement":{"server_id_set":[', () => '0', ']}'),
    ),
    body(
      'one member again and again',
      fill('{', () => '"a":0', '}'),
    ),
    body(
      'each member twice',
      order(',', (n) => `"k${n >> 1}":0`, ''),
    ),
    body(
      'objects with a member twice',
      fill('[', () => '{"a":0,"a":0}', ']'),
    ),
    body(
      'passwords',
      fill(`{${IDS},"a":[`, (n) => `{"password":"Sup3r-Secret!${n}"}`, ']}'),
    ),
    body(
      'secrets like the ids',
      fill(
        `{"project_id":"${'a'.repeat(64)}","request_id":"${'a'.repeat(128)}","tokens":[`,
        (n) => `"${n.toString(36).padStart(6, 'a')}"`,
        ']}',
      ),
    ),
    body(
      'secrets that are numbers',
      order(',"tokens":[', (n) => String(1000 + n), ']'),
    ),
    body(
      'a member of the password for each name',
      fill(`{"spec":{${SECRET},"k":{"password":{`, (n) => `"k${n}":1`, '}}}}'),
    ),
    body(
      'long names',
      order(',', (n) => `"${n}${'k'.repeat(1300)}":1`, ''),
    ),
    body(
      'a long name and many passwords',
      fill(`{"${'k'.repeat(bytes >> 1)}":1,`, (n) => `"password":"k${n % 50}"`, '}'),
    ),
    body(
      'lone surrogates',
      fill('[', () => '"\\ud800"', ']'),
    ),
    body('a text of surrogates', once('{"spec":{"name":"', '\\ud83d\\ude00', '"}}')),
    body(
      'NUL characters',
      fill('[', () => '"\\u0000"', ']'),
    ),
    body(
      'NUL characters in names',
      fill('{', (n) => `"\\u0000${n}":0`, '}'),
    ),
    body(
      'escaped names',
      fill('{', (n) => `"\\u0041${n}\\n":0`, '}'),
    ),
    body(
      'escaped texts',
      fill('["\\ud800",', () => '"\\n"', ']'),
    ),
    body(
      'texts of nothing',
      fill('["\\u0000",', () => '""', ']'),
    ),
    body(
      'objects of nothing',
      fill('["\\u0000",', () => '{}', ']'),
    ),
    body(
      'numbers',
      fill('["\\u0000",', () => '1', ']'),
    ),
    body('a long number', once('{"spec":', '9', '}')),
    body('levels of arrays', '['.repeat(deep * 3) + ']'.repeat(deep * 3)),
    body('levels of objects', `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`),
    body(
      'many times as deep as allowed',
      fill('[', () => `${'['.repeat(31)}"\\u0000"${']'.repeat(31)}`, ']'),
    ),
    body('white space', once('{', ' ', '}')),
    body('lines', once('{', '\n', '}')),
    ...['name', 'image_id', 'password', 'description', 'metadata'].map((name) =>
      body(`a long ${name}`, once(`{${IDS},"spec":{"${name}":"`, 'aB3_', '"}}')),
    ),
    body('a long deadline', once(`{${IDS},"deadline":"2026-01-01T00:00:00.`, '0', '"}')),
    body('a long JSON type', once('{"datacontenttype":"a/', '+', '"}'), EVENT_TYPE),
    body(
      'a valid order of long ids',
      once(`{${IDS},"spec":{${SPEC},${SECRET},"image_id":"`, 'i', '"}}').replace('"image_id":"i",', ''),
    ),
  ]
  return [
    ...valid,
    broken(wide),
    broken(secretNames),
    ...valid
      .filter(({ name }) => /again|twice|surrogates|escaped|white|lines|long image/.test(name))
      .map((one) => broken(one)),
    broken(body('lines and a letter', once('{', '\n', '}')), 'x'),
    broken(body('a string without end', once('["', '\\n', '"]')), '\\'),
  ]
}

const PIECES = [
  ...[
    '{}',
    '[]',
    '""',
    '0',
    '1e5',
    'null',
    '"\\u0000"',
    '"\\ud800"',
    '"\\"\\"\\\\"',
    '"password"',
    `{${SECRET}}`,
  ],
  ...[
    '{"a":0,"a":1}',
    '{"token":{"b":[1]}}',
    '{"\\u0070assword":"x"}',
    '[[[[0]]]]',
    '"é"',
    '"😀"',
    '  1\n',
    '-0.5E-7',
  ],
]
const HOLDERS = ['', '"spec":', '"data":', '"metadata":', '"network_interfaces":', '"password":', '"k":']

/** Bodies drawn from pieces of all these: what nobody has thought of. */
export function mixedBodies(bytes: number, count: number, random: SeededRandom): HostileBody[] {
  return Array.from({ length: count }, (_, index) => {
    const pieces = Array.from({ length: random.between(1, 3) }, () => random.pick(PIECES))
    const holder = random.pick(HOLDERS)
    const [open, close] = holder === '' ? ['[', ']'] : [`{${IDS},${holder}[`, ']}']
    const isObject = random.chance(0.5)
    const parts: string[] = []
    let room = bytes - Buffer.byteLength(open + close) - 2
    for (let at = 0; ; at += 1) {
      const piece = pieces[at % pieces.length] ?? '0'
      const part = `${at === 0 ? '' : ','}${isObject ? `"${random.pick(['k', 'passw', '\\u0041'])}${at}":` : ''}${piece}`
      room -= Buffer.byteLength(part)
      if (room < 0) break
      parts.push(part)
    }
    const inner = isObject ? `{${parts.join('')}}` : parts.join('')
    const text = open + inner + close
    const name = `mixed ${index + 1}: ${pieces.join(' ')} in ${holder || 'a list'}${isObject ? ' by name' : ''}`
    const isBroken = random.chance(0.3)
    return { name, contentType: JSON_TYPE, valid: text, text: isBroken ? text.slice(0, -1) : text }
  })
}
