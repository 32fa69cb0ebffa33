export type BodyFormat = 'plain' | 'cloudevents'

/**
 * How a content type says the body is to be read, or null where this service cannot read it. Absent means JSON. A
 * charset other than UTF-8 is not supported; other parameters say nothing of interest.
 */
export function bodyFormat(contentType: string | undefined): BodyFormat | null {
  if (contentType === undefined || contentType === 'application/json') return 'plain'
  const [type = '', ...parameters] = contentType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  for (const parameter of parameters) {
    const charset = /^charset\s*=\s*"?([^"]*)"?$/.exec(parameter)?.[1]
    if (charset !== undefined && !['utf-8', 'utf8', 'us-ascii'].includes(charset)) return null
  }
  if (type === 'application/json' || (type === '' && parameters.length === 0)) return 'plain'
  return type === 'application/cloudevents+json' ? 'cloudevents' : null
}
