/** What tells a request from all others, for those who send it. */
export interface RequestKey {
  projectId: string
  requestId: string
}

/** The key in one string. No id of a project has a slash, so no two keys are the same in it. */
export function requestKey({ projectId, requestId }: RequestKey): string {
  return `${projectId}/${requestId}`
}
