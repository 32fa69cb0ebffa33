import type { Logger } from 'pino'
import type { Disposition } from '../amqp/acknowledger.ts'
import type { Delivery } from '../amqp/message.ts'
import type { Fault } from '../contracts/fault.ts'
import type { MessageRejection } from '../contracts/rejection.ts'
import type { RejectionCode } from '../contracts/rejection-code.ts'
import { parseRequestMessage, rejectCommand, rejectUnread } from '../contracts/request-message.ts'
import { sqlState } from '../database/errors.ts'
import { reached } from '../runtime/steps.ts'
import type { PasswordDigester, PasswordTracer } from '../secrets/digest.ts'
import { type JweBox, openText } from '../secrets/jwe-box.ts'
import type { Sealer } from '../secrets/seal.ts'
import { type Content, isSealedLetter, unsealLetter } from '../secrets/unseal-letter.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Admission, NotAdmitted } from './admission.ts'
import { toNewRequest } from './new-request.ts'
import type { OneByOne } from './one-by-one.ts'
import type { Rejecter } from './rejecter.ts'
import type { Entry, EntryOutcome, RequestWriter } from './request-writer.ts'
import type { Received } from './sealed-letter.ts'

/**
 * Poison messages: deliveries that came back this often are taken one by one, since one of them may be what brings the
 * process down.
 */
const SUSPECT_DELIVERIES = 2

export interface TakeContext {
  /** A message that was delivered without success this often is dead-lettered. */
  deliveryLimit: number
  sealer: Sealer
  jweBox: JweBox
  passwords: 'any' | 'sealed_only'
  passwordDigester: PasswordDigester
  passwordTracer: PasswordTracer
  /** Whether orders of selected servers are held back until these have been looked at. */
  preflight?: boolean | undefined
  admission: Admission
  /** Entries on their way into one insert: those that are free, and those that admission has to look at. */
  batchers: Record<'free' | 'looked', { add: Write }>
  writer: RequestWriter
  suspects: OneByOne
  rejecter: Rejecter
  metrics: Metrics['intake']
  logger: Logger
}

type Write = (entry: Entry) => Promise<EntryOutcome | NotAdmitted | undefined>

/** Decides on one delivery, as it came. Rejects for a fault of this program. */
export function takeDelivery(context: TakeContext, delivery: Delivery): Promise<Disposition> {
  const { deliveryLimit, admission, batchers, writer, suspects } = context
  reached('intake.received')
  if (delivery.deliveryCount >= deliveryLimit) {
    const message = `delivered ${delivery.deliveryCount} times before, without success`
    const rejection = rejectUnread(delivery, 'delivery_limit', { path: '', message })
    const read = parseRequestMessage(delivery)
    const password = read.ok === true ? read.command.password : null
    return reject(context, { delivery, content: delivery, password }, rejection)
  }
  const isFree = ({ row }: Entry) => admission.isFree(row.projectId)
  if (delivery.deliveryCount < SUSPECT_DELIVERIES) {
    const gather: Write = (entry) => batchers[isFree(entry) ? 'free' : 'looked'].add(entry)
    return takeContent(context, delivery, gather)
  }
  const writeAlone: Write = async (entry) => (await (isFree(entry) ? writer : admission).write([entry]))[0]
  return suspects.run(() => takeContent(context, delivery, writeAlone))
}

/** Opens what is sealed whole, as dead letters that are published again are, and judges what is inside. */
async function takeContent(context: TakeContext, delivery: Delivery, write: Write): Promise<Disposition> {
  if (!isSealedLetter(delivery)) return storeMessage(context, delivery, delivery, write)
  const unsealed = await unsealLetter(context.jweBox, delivery)
  if (unsealed.ok) return storeMessage(context, delivery, unsealed.content, write)
  const { code, message } = unsealed
  const rejection = rejectUnread(delivery, code, { path: '', message })
  return reject(context, { delivery, content: delivery, password: null }, rejection)
}

/**
 * Parses the message, seals its password and writes its request; dead-letters what is not valid or cannot be stored.
 */
async function storeMessage(
  context: TakeContext,
  delivery: Delivery,
  content: Content,
  write: Write,
): Promise<Disposition> {
  const read = parseRequestMessage(content === delivery ? delivery : { ...delivery, ...content })
  const isPlain = read.ok === true
  let opened: string | undefined
  const open = async (jwe: string) => {
    opened = await openText(context.jweBox, jwe)
    return opened
  }
  const parsed = read.ok === 'sealed' ? await read.unseal(open) : read
  if (!parsed.ok) return reject(context, { delivery, content, password: null, opened }, parsed)
  const { command, tracing } = parsed
  const refuse = (code: RejectionCode, fault: Fault) => {
    const received = { delivery, content, password: command.password }
    return reject(context, received, rejectCommand(command, tracing, code, fault))
  }
  if (isPlain && context.passwords === 'sealed_only') return refuse('invalid_request', PLAIN_PASSWORD)
  const outcome = await write({ command, row: toNewRequest(command, tracing, context) })
  switch (outcome?.kind) {
    case 'stored':
    case 'duplicate':
      return acknowledge(context, outcome.kind)
    case 'conflict':
      return refuse('idempotency_conflict', conflictFault(outcome.differs))
    case 'not_admitted':
      return refuse(outcome.code, admissionFault(outcome.code))
    case 'refused': {
      const { projectId, requestId } = command
      context.logger.error(
        { sqlState: sqlState(outcome.error), projectId, requestId },
        'the database refuses a valid request',
      )
      return refuse('invalid_request', refusalFault(outcome.error))
    }
    default:
      return requeue(context)
  }
}

async function reject(
  context: TakeContext,
  received: Received,
  rejection: MessageRejection,
): Promise<Disposition> {
  const isSafe = await context.rejecter.reject(received, rejection)
  return isSafe ? acknowledge(context, 'dead_lettered') : requeue(context)
}

function acknowledge(
  { metrics }: TakeContext,
  result: 'stored' | 'duplicate' | 'dead_lettered',
): Disposition {
  metrics.messages.inc({ result })
  reached('intake.acknowledging')
  return 'ack'
}

/** Gives the delivery back to its queue. */
export function requeue({ metrics }: Pick<TakeContext, 'metrics'>): Disposition {
  metrics.messages.inc({ result: 'requeued' })
  return 'requeue'
}

const PLAIN_PASSWORD: Fault = {
  path: 'spec.password',
  message: 'is not taken here; seal it as password_jwe',
}

function conflictFault(differs: 'content' | 'password'): Fault {
  const message = `a request with this id and another ${differs} was accepted before`
  return { path: differs === 'password' ? 'spec.password' : '', message }
}

function admissionFault(code: NotAdmitted['code']): Fault {
  const message =
    code === 'backlog_full'
      ? 'the project has as many open requests as it may have'
      : 'the project is not among those that may order here'
  return { path: 'project_id', message }
}

function refusalFault(error: unknown): Fault {
  return { path: '', message: `the database cannot store it (${sqlState(error) ?? 'no code'})` }
}
