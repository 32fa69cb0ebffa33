import type { Logger } from 'pino'
import { coerceError } from '../runtime/errors.ts'
import { answerFacts, isSuccess } from './answer.ts'
import type { Auth, CallToAuthenticate } from './auth/auth.ts'
import { percentEncode, type Query, queryString } from './auth/percent-encoding.ts'
import { cleanText, secretsOf } from './clean-text.ts'
import type { CallEnd } from './create-connections.ts'
import { parseErrorBody } from './error-body.ts'
import { CloudDcRefusedError } from './errors.ts'
import type { CallEvidence } from './evidence.ts'
import { type Exchange, type ExchangeOptions, exchange } from './exchange.ts'
import { collectPages, type Listing } from './paging.ts'
import { readingError } from './reading-error.ts'
import { refusesCredential } from './refusal.ts'
import { parseReadyCount, parseServers, type ServerPage } from './servers.ts'
import { type CredentialFault, credentialFault } from './unauthorized.ts'
import { createUpstreams, type Upstream } from './upstreams.ts'
import {
  type InstancePage,
  type InstanceStatus,
  type NamedInstances,
  parseCreated,
  parsePage,
  parseStatus,
  type UpstreamInstance,
} from './wire.ts'

export type { CallEvidence } from './evidence.ts'
export type { InstanceState } from './instance-state.ts'
export type { ServerPage, UpstreamServer } from './servers.ts'
export type { InstanceError, InstancePage, InstanceStatus, UpstreamInstance } from './wire.ts'

const CREATE_ANSWER_BYTES = 1024 * 1024
/** A page holds 1000 instances, each with its user data. */
const LIST_ANSWER_BYTES = 64 * 1024 * 1024
/** CloudDC's own bounds of `limit`, and of the ids in one filter. */
const MIN_LIMIT = 10
const MAX_LIMIT = 1000
const MAX_IDS = 100
const NO_BODY = new Uint8Array()

export interface CloudDcClientOptions {
  /** The base URL for a project; a path in it is kept. */
  endpointOf: (projectId: string) => string
  auth: Auth
  /** Bound on each call: credential, connection, headers and body. */
  callTimeoutMs: number
  /** Most connections of the reading calls to one endpoint. */
  connections: number
  /** PEM: the authorities that are trusted instead of the usual ones. */
  ca?: string | undefined
  logger: Logger
}

/** Runs synchronously before the first byte could be written; when it throws, nothing is sent, now or later. */
export type BeforeWrite = () => void

export interface ListInstancesQuery {
  projectId: string
  /** At most 100; not together with `serverIds`. */
  instanceIds?: readonly string[]
  serverIds?: readonly string[]
  marker?: string
  /** 10 to 1000, by default 1000. */
  limit?: number
  beforeWrite?: BeforeWrite
}

export interface BatchCreateCall {
  projectId: string
  /** The JSON text, sent as it is. */
  body: string
  beforeWrite?: BeforeWrite
}

export interface CloudDcClient {
  /** Makes the call once and returns what came of it. Never rejects, never calls again. */
  batchCreate(call: BatchCreateCall): Promise<CallEvidence>
  /** One page; an empty list of ids gives an empty page without a call. Throws CloudDcError. */
  listInstances(query: ListInstancesQuery): Promise<InstancePage>
  /**
   * A complete listing of the project, or throws CloudDcError. `beforeCall` is awaited before each page: each costs a
   * token. Where `keep` is given, only what it chooses is kept.
   */
  listAllInstances(query: {
    projectId: string
    keep?: (instance: UpstreamInstance) => boolean
    beforeCall?: () => Promise<void>
    beforeWrite?: BeforeWrite
  }): Promise<Listing>
  /** Throws CloudDcError. */
  showInstanceStatus(query: {
    projectId: string
    instanceId: string
    beforeWrite?: BeforeWrite
  }): Promise<InstanceStatus | 'not_found'>
  /** One page of the project's servers, at most 1000. Throws CloudDcError. */
  listServers(query: { projectId: string; marker?: string; beforeWrite?: BeforeWrite }): Promise<ServerPage>
  /** How many of the project's servers are ready. Throws CloudDcError. */
  countReadyServers(query: { projectId: string; beforeWrite?: BeforeWrite }): Promise<number>
  /** Refuses new calls and resolves when those in flight have ended. */
  close(): Promise<void>
}

/** A client of CloudDC's API v1. How many calls run at once, and how often, is up to the caller. */
export function createCloudDcClient(options: CloudDcClientOptions): CloudDcClient {
  const { endpointOf, auth, callTimeoutMs, logger } = options
  const upstreams = createUpstreams(options)

  /**
   * Tells who holds the credentials of an answer that refuses one. Returns what is wrong with it, where that is the same
   * for all its projects.
   */
  const tellOf = (
    answer: Answer,
    projectId: string,
    used: Record<string, string>,
  ): CredentialFault | undefined => {
    if (!refusesCredential(answerFacts(answer, () => []))) return undefined
    const words = answer.complete ? parseErrorBody(answer.body.toString('utf8')).message : null
    const refusal = { fault: credentialFault(words), date: dateOf(answer.headers.date) }
    auth.refused(projectId, used, refusal).catch((error: unknown) => {
      logger.warn({ reason: coerceError(error).message }, 'the CloudDC credential could not be renewed')
    })
    return auth.isShared(projectId, used) ? refusal.fault : undefined
  }

  const call = async (
    { origin, host, prefix }: Upstream,
    projectId: string,
    path: string,
    query: Query,
    request: Omit<ExchangeOptions, 'method' | 'origin' | 'path' | 'authorize' | 'timeoutMs'> & {
      method: CallToAuthenticate['method']
    },
  ) => {
    let credential: Record<string, string> = {}
    const { method, headers, body = NO_BODY } = request
    const encodedPath = `${prefix}/v1/${percentEncode(projectId)}${path}`
    const authorize = async () => {
      const toSign = body.length === 0 ? { host } : { host, 'content-type': headers['Content-Type'] ?? '' }
      const signed = { projectId, method, path: encodedPath, query, headers: toSign, body }
      credential = await auth.headersFor(signed)
      return credential
    }
    const address = query.length === 0 ? encodedPath : `${encodedPath}?${queryString(query)}`
    const result = await exchange({ ...request, origin, path: address, authorize, timeoutMs: callTimeoutMs })
    let fault: CredentialFault | undefined
    if (result.kind === 'response') {
      if (isSuccess(result.status)) auth.answered(dateOf(result.headers.date))
      else fault = tellOf(result, projectId, credential)
    }
    return { result, credential, fault }
  }

  const batchCreate = async ({ projectId, body, beforeWrite }: BatchCreateCall): Promise<CallEvidence> => {
    const upstream = upstreams.at(endpointOf(projectId))
    const connection = upstream.creating.take()
    const { result, credential, fault } = await call(upstream, projectId, '/instances/batch-create', [], {
      dispatcher: connection.dispatcher,
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: Buffer.from(body),
      maxBodyBytes: CREATE_ANSWER_BYTES,
      beforeWrite,
    })
    connection.end(endOf(result))
    const named = namedInstances(result)
    let known: readonly string[] | undefined
    const secrets = () => {
      known ??= secretsOf(body, credential)
      return known
    }
    if (result.kind === 'no_response') return { ...result, message: cleanText(result.message, secrets()) }
    const facts = answerFacts(result, secrets)
    return {
      kind: 'response',
      ...facts,
      instanceIds: named?.ids ?? null,
      unusableIds: named?.unusable ?? 0,
      ...(fault === undefined ? {} : { credentialFault: fault }),
    }
  }

  const get = async <Value>(
    projectId: string,
    { path, query = [] }: { path: string; query?: Query },
    read: (text: string) => Value | null,
    beforeWrite: BeforeWrite | undefined,
  ): Promise<Value> => {
    const upstream = upstreams.at(endpointOf(projectId))
    const { result, credential, fault } = await call(upstream, projectId, path, query, {
      dispatcher: upstream.reading,
      slots: upstream.readingSlots,
      method: 'GET',
      headers: { Accept: 'application/json' },
      maxBodyBytes: LIST_ANSWER_BYTES,
      beforeWrite,
    })
    if (result.kind === 'response' && result.complete && isSuccess(result.status)) {
      const value = read(result.body.toString('utf8'))
      if (value !== null) return value
    }
    throw readingError(result, secretsOf(undefined, credential), fault)
  }

  const listInstances = async (query: ListInstancesQuery): Promise<InstancePage> => {
    const { projectId, instanceIds, serverIds, marker, limit = MAX_LIMIT } = query
    if (instanceIds !== undefined && serverIds !== undefined) {
      throw new RangeError('filter by instance ids or by server ids, not by both')
    }
    const ids = instanceIds ?? serverIds
    // Sent, an empty filter would list everything.
    if (ids?.length === 0) return { instances: [], nextMarker: null, total: 0 }
    if (ids !== undefined && ids.length > MAX_IDS) throw new RangeError(`more than ${MAX_IDS} ids`)
    const bounded = Math.min(MAX_LIMIT, Math.max(MIN_LIMIT, Math.trunc(limit)))
    const parameters: [string, string][] = [['limit', String(bounded)]]
    if (marker !== undefined) parameters.push(['marker', marker])
    if (ids !== undefined)
      parameters.push([instanceIds === undefined ? 'server_id' : 'instance_id', ids.join(',')])
    return get(projectId, { path: '/instances', query: parameters }, parsePage, query.beforeWrite)
  }

  return {
    batchCreate,
    listInstances,
    listAllInstances: ({ keep, beforeCall, ...query }) =>
      collectPages(async (marker) => {
        await beforeCall?.()
        return listInstances({ ...query, ...(marker === undefined ? {} : { marker }) })
      }, keep),
    showInstanceStatus: async ({ projectId, instanceId, beforeWrite }) => {
      const path = `/instances/${percentEncode(instanceId)}/status`
      try {
        return await get(projectId, { path }, parseStatus, beforeWrite)
      } catch (error) {
        if (error instanceof CloudDcRefusedError && error.status === 404) return 'not_found'
        throw error
      }
    },
    listServers: ({ projectId, marker, beforeWrite }) => {
      const query: [string, string][] = [['limit', String(MAX_LIMIT)]]
      if (marker !== undefined) query.push(['marker', marker])
      return get(projectId, { path: '/physicalservers', query }, parseServers, beforeWrite)
    },
    countReadyServers: ({ projectId, beforeWrite }) =>
      get(projectId, { path: '/physicalservers/status' }, parseReadyCount, beforeWrite),
    close: upstreams.close,
  }
}

type Answer = Extract<Exchange, { kind: 'response' }>

const dateOf = (header: string | string[] | undefined) => (typeof header === 'string' ? header : undefined)

function endOf(result: Exchange): CallEnd {
  if (result.kind === 'response') return result.complete ? 'answered' : 'lost'
  return result.requestStarted ? 'lost' : 'not_sent'
}

function namedInstances(result: Exchange): NamedInstances | null {
  if (result.kind !== 'response' || !isSuccess(result.status) || !result.complete) return null
  return parseCreated(result.body.toString('utf8'))
}
