import { hash } from 'node:crypto'

/** The weak entity tag of a reply that says this. */
export function weakTag(said: string): string {
  return `W/"${hash('sha256', said, 'base64url').slice(0, 22)}"`
}
