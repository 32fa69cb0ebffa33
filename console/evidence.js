// @ts-check
import { html } from './html.js'

/** @import { View } from './html.js' */

/** Simple values of an evidence stand in one line; the rest can be opened. */

/** @param {Readonly<Record<string, unknown>> | null} evidence @returns {View} */
export function evidenceView(evidence) {
  if (evidence === null) return null
  const members = Object.entries(evidence)
  const simple = members.filter(([, value]) => typeof value !== 'object')
  const whole = members.filter(([, value]) => typeof value === 'object' && value !== null)
  return html`
    ${
      simple.length > 0 &&
      html`
        <dl class="evidence">
          ${simple.map(([name, value]) => html`<div><dt>${name.replaceAll('_', ' ')}</dt><dd>${String(value)}</dd></div>`)}
        </dl>
      `
    }
    ${whole.map(
      ([name, value]) => html`
        <details>
          <summary>${name.replaceAll('_', ' ')}</summary>
          <pre>${JSON.stringify(value, null, 2)}</pre>
        </details>
      `,
    )}
  `
}
