// @ts-check
import { html } from './html.js'

/** @import { View } from './html.js' */

/**
 * A part of a page: a question as its heading, the answer in one sentence, and what it rests on.
 * @param {object} part
 * @param {string} part.id
 * @param {string} part.title
 * @param {View} part.answer
 * @param {'bad' | 'watch' | 'good'} [part.tone] of the answer; none by default
 * @param {View} [part.body]
 * @param {{ href: string, text: string } | null} [part.more]
 * @param {View} [part.actions] buttons
 */
export function section({ id, title, answer, tone, body = null, more = null, actions = null }) {
  return html`
    <section id=${id} class="part" aria-labelledby=${`${id}-title`}>
      <div class="part-head">
        <h2 id=${`${id}-title`}>${title}</h2>
        ${actions}
      </div>
      <p class=${`answer ${tone ?? ''}`}>${answer}</p>
      ${body}
      ${more && html`<p class="more"><a href=${more.href}>${more.text}</a></p>`}
    </section>
  `
}

/** `1 request`, `2 requests`; large numbers with their thousands apart. @param {number} count @param {string} noun */
export function plural(count, noun, many = `${noun}s`) {
  return `${number(count)} ${count === 1 ? noun : many}`
}

/** @param {number} value */
export function number(value) {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 })
}
