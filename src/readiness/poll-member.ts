import { hash } from 'node:crypto'
import type { NetworkInterface } from '../contracts/event-schemas.ts'

/** A pending instance, as the row of its poll holds it. */
export interface PollMember {
  id: string
  /** Milliseconds since 1970 on the database's clock, as the next. */
  createdMs: number
  /** When a poll first saw that it runs; null before. Then only its listing is waited for. */
  ranMs: number | null
  /** Digest of what was last recorded of it; null before the first time. */
  seen: string | null
}

/** What is recorded of an instance while it is pending. Null is what CloudDC does not say. */
export interface Shown {
  name: string | null
  serverId: string | null
  imageId: string | null
  networkInterfaces: readonly NetworkInterface[] | null
  /** CloudDC's own word. */
  upstreamState: string | null
}

export interface MemberLimits {
  /** From its creation to the time by which an instance must run, in milliseconds. */
  provisionTimeoutMs: number
  /** How long a listing of an instance that runs is waited for, in milliseconds. */
  serverWaitMs: number
}

type Stored = [id: string, createdMs: number, ranMs: number | null, seen: string | null]

/** As `poll.members` stores it. */
export function formatMember({ id, createdMs, ranMs, seen }: PollMember): string {
  return JSON.stringify([id, createdMs, ranMs, seen] satisfies Stored)
}

/** `text`: a JSON array of members as stored. */
export function parseMembers(text: string): PollMember[] {
  return (JSON.parse(text) as Stored[]).map(([id, createdMs, ranMs, seen]) => ({
    id,
    createdMs,
    ranMs,
    seen,
  }))
}

const DIGEST_LENGTH = 8

/** Equal for what is equal; 48 bits, so that another is hardly ever taken for it. */
export function digestOf({ name, serverId, imageId, networkInterfaces, upstreamState }: Shown): string {
  const interfaces = networkInterfaces?.map(({ subnet_id, ipv4_address }) => [subnet_id, ipv4_address])
  const text = JSON.stringify([name, serverId, imageId, interfaces, upstreamState])
  return hash('sha256', text, 'base64url').slice(0, DIGEST_LENGTH)
}

/** When the next time limit of a member is over, in milliseconds since 1970: a poll falls on it. */
export function limitOf({ createdMs, ranMs }: PollMember, limits: MemberLimits): number {
  return ranMs === null ? createdMs + limits.provisionTimeoutMs : ranMs + limits.serverWaitMs
}
