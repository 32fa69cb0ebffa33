import { REJECTED_AT, REJECTION_CODE } from '../../src/contracts/letter-id.ts'
import { REJECTION_CODES } from '../../src/contracts/rejection-code.ts'

/** The headers of messages, as schemas. */

const text = (description: string, example: string) => ({ type: 'string', description, examples: [example] })

export const REQUEST_HEADERS = {
  type: 'object',
  description: 'Optional; travels to the events, as does the property correlation_id',
  properties: {
    traceparent: text('W3C Trace Context', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    tracestate: text('W3C Trace Context', 'vendor=1'),
  },
}

export const DEAD_LETTER_HEADERS = {
  type: 'object',
  description: "The reason, beside the sender's own headers",
  properties: {
    [REJECTION_CODE]: text(`Why: ${REJECTION_CODES.join(', ')}; more may come`, 'invalid_request'),
    'x-rejection-detail': {
      ...text(
        'JSON: every fault, as a list of {"path","message"}, without any value of the message',
        '[{"path":"spec.min_count","message":"must be a whole number from 1 to 100"}]',
      ),
      contentMediaType: 'application/json',
    },
    [REJECTED_AT]: { ...text('When', '2026-11-23T12:00:01.250Z'), format: 'date-time' },
    'x-rejection-altered': {
      ...text('JSON: names of what is not as it came, if anything', '["spec.password"]'),
      contentMediaType: 'application/json',
    },
  },
  required: [REJECTION_CODE, 'x-rejection-detail', REJECTED_AT],
}
