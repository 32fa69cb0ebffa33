import type { SettledAttempt } from '../attempt/settle-attempts.sql.ts'

/** What a step calls when it has committed what others wait for. */
export interface WakeUps {
  /** Requests stand in the queue, and events in the outbox. */
  onQueued(): void
  /** Events stand in the outbox; the requests of these keys (`project/request`) have changed. */
  onEvents(keys?: Iterable<string>): void
  /** Attempts are settled, and their requests' events stand in the outbox. */
  onSettled(settled: readonly SettledAttempt[]): void
}

export function createWakeUps({
  wakeDispatch,
  wakeOutbox,
  tellReaders,
}: {
  wakeDispatch: () => void
  wakeOutbox: () => void
  tellReaders: (keys: Iterable<string>) => void
}): WakeUps {
  const onEvents = (keys: Iterable<string> = []) => {
    wakeOutbox()
    tellReaders(keys)
  }
  return {
    onQueued: () => {
      wakeDispatch()
      wakeOutbox()
    },
    onEvents,
    onSettled: (settled) => onEvents(settled.map(({ projectId, requestId }) => `${projectId}/${requestId}`)),
  }
}
