import { setImmediate as nextTurn } from 'node:timers/promises'
import { hasPasswordMixture, MAX_LENGTH, MIN_LENGTH } from '../contracts/password.ts'

/** Digests made in one turn of the event loop: a few milliseconds. */
const DIGESTS_PER_TURN = 500

const CHARACTERS = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }

/**
 * Whether a text may hold a password that can only be recognised: `mayBeIt` says so of some part of the text, as it
 * stands or as JSON, HTML or a URL would have it.
 * Of a text of 1,000 characters there are 19,000 parts at the most; only those with a password's mixture are digested.
 */
export async function mayHoldPassword(
  text: string,
  mayBeIt: (candidate: string) => boolean,
): Promise<boolean> {
  let digests = 0
  for (const reading of readingsOf(text)) {
    for (const password of candidatesIn(reading)) {
      if (mayBeIt(password)) return true
      digests += 1
      if (digests % DIGESTS_PER_TURN === 0) await nextTurn()
    }
  }
  return false
}

function* candidatesIn(text: string): Generator<string> {
  // A text from outside has lost the spaces around it.
  const padded = ` ${text} `
  /** Where each character begins, and where the last one ends. */
  const starts = [0]
  for (const character of padded) starts.push((starts.at(-1) ?? 0) + character.length)
  for (const [place, from] of starts.entries()) {
    let isMixed = false
    for (const to of starts.slice(place + MIN_LENGTH, place + MAX_LENGTH + 1)) {
      const candidate = padded.slice(from, to)
      isMixed ||= hasPasswordMixture(candidate)
      if (isMixed) yield candidate
    }
  }
}

function readingsOf(text: string): Set<string> {
  const html = text.replace(
    /&(?:amp|lt|gt|quot|#39);/g,
    (name) => CHARACTERS[name as keyof typeof CHARACTERS],
  )
  const json = text
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\(["\\/])/g, '$1')
  const url = text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('utf8'),
  )
  return new Set([text, html, json, url])
}
