export type ServerKind = 'given' | 'docker' | 'local'

/** What a private server shows to those that connect by TLS, and by which authorities it asks them for the same. PEM. */
export interface ServerTls {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** One backing server, wherever it comes from. */
export interface BackingServer {
  readonly kind: ServerKind
  /** With the rights to create databases or virtual hosts. */
  readonly url: string
  /** Ends it at once (SIGKILL); what was committed or confirmed is still there after `restart`. */
  kill(): Promise<void>
  /** Stops it when it runs, and starts it again under the same URL. */
  restart(): Promise<void>
  stop(): Promise<void>
  /** Shows another certificate from the next connection on; only where it was started with TLS. */
  useCertificate?(own: Pick<ServerTls, 'cert' | 'key'>): void
}

/** A message queue server, with what tests ask of it beyond AMQP. */
export interface BrokerServer extends BackingServer {
  /** With TLS, where it was started with it: then a certificate is asked of everybody. */
  readonly tlsUrl?: string
  readonly virtualHosts: VirtualHostSource
  /** Raises or clears the memory alarm: while it is raised, the broker blocks every publishing connection. */
  setMemoryAlarm(raised: boolean): Promise<void>
}

/** Where virtual hosts come from. Plain data, so that the processes of a test run can share one source. */
export type VirtualHostSource =
  | { readonly from: 'pool'; readonly url: string; readonly size: number; readonly claims: string }
  | { readonly from: 'management'; readonly url: string; readonly managementUrl: string }

/** A server that was given by its URL is not ours to stop. */
export class NotOursError extends Error {
  constructor(what: string) {
    super(`${what} was given by its URL: it cannot be killed, restarted or alarmed from here`)
    this.name = 'NotOursError'
  }
}
