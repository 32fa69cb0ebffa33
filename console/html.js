// @ts-check
import htm from './lib/htm.js'
import { h } from './lib/preact.js'

/** @import { VNode } from './lib/preact.js' */

/** What a view returns: nodes, text, or nothing. @typedef {VNode | readonly VNode[] | string | number | boolean | null | undefined} View */

/** Nodes from a template; what is put into it is text, never markup. */
export const html = /** @type {(strings: TemplateStringsArray, ...values: unknown[]) => VNode} */ (
  htm.bind(h)
)
