// @ts-check
import { html } from './html.js'

/** @import { View } from './html.js' */

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} head
 * @property {(row: Row) => View} cell
 * @property {'name' | 'number' | 'wide' | 'act'} [kind] long names are cut short, numbers stand at the right, wide cells
 *   take what is left, and actions have no heading that is seen
 */

/**
 * A table that screen readers can walk, and that becomes a list of cards where the window is narrow: the roles are named
 * because cards lose those of a table. The first column names the row.
 * @template Row
 * @param {object} table
 * @param {string} table.caption what it holds; for screen readers
 * @param {readonly Column<Row>[]} table.columns
 * @param {readonly Row[]} table.rows
 * @param {(row: Row) => string} table.keyOf
 * @param {View} table.empty what is said instead of a table without rows
 */
export function table({ caption, columns, rows, keyOf, empty }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`
  return html`
    <div class="scroller">
      <table role="table">
        <caption class="unseen">${caption}</caption>
        <thead>
          <tr role="row">
            ${columns.map(
              ({ head, kind }) => html`
                <th scope="col" role="columnheader" class=${kind}>${kind === 'act' ? html`<span class="unseen">${head}</span>` : head}</th>
              `,
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`
              <tr role="row" key=${keyOf(row)}>
                ${columns.map(({ head, cell, kind }, index) =>
                  index === 0
                    ? html`<th scope="row" role="rowheader" class=${kind}>${cell(row)}</th>`
                    : html`<td role="cell" class=${kind} data-head=${head}>${inOne(cell(row))}</td>`,
                )}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `
}

/** What has several parts reads as one text also where it stands beside its heading. @param {View} view */
const inOne = (view) => (Array.isArray(view) ? html`<div>${view}</div>` : view)
