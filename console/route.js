// @ts-check

/**
 * Where the page is, as it stands in the address: `#/project/p-1?state=failed`. Each part may be linked to, and the
 * browser's own history goes back and forth between them.
 * @typedef {object} Route
 * @property {string[]} path the decoded parts; empty for the overview
 * @property {Record<string, string>} query
 * @property {number} at when it was gone to, in milliseconds since 1970
 */

/**
 * @param {string} hash of the address, with or without its #
 * @param {number} [at]
 * @returns {Route}
 */
export function parseRoute(hash, at = Date.now()) {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?')
  return {
    path: path.split('/').filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
    at,
  }
}

/**
 * The address of a part of the page; members of the query that are empty are left out.
 * @param {readonly string[]} path
 * @param {Readonly<Record<string, string | undefined>>} [query]
 */
export function linkTo(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

/** @param {string} projectId @param {Readonly<Record<string, string | undefined>>} [query] */
export const projectLink = (projectId, query) => linkTo(['project', projectId], query)

/** @param {string} projectId @param {string} requestId */
export const requestLink = (projectId, requestId) => linkTo(['project', projectId, 'request', requestId])

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    // A broken escape was typed by hand: it leads nowhere.
    return text
  }
}
