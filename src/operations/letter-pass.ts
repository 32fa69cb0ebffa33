import type { Delivery } from '../amqp/message.ts'
import { REJECTED_AT, REJECTION_CODE } from '../contracts/letter-id.ts'

type Letter = Pick<Delivery, 'headers' | 'redelivered'>

/** `unsure`: new, or a copy of one that was in hand when the run was interrupted. */
export type Replayed = 'new' | 'copy' | 'unsure'

export interface LetterPass {
  /** Whether this letter, the next one of the queue, is to be replayed. */
  wants(letter: Letter): boolean
  /**
   * What a letter was that is published now. `marked`: whether the run had said so in the index before; undefined where the
   * letter is not in it.
   */
  replayed(letter: Letter, marked: boolean | undefined): Replayed
  /** Nothing that is still in the queue is to be looked at. */
  isOver(): boolean
}

/**
 * Decides on the letters of one pass over the queue: pure. The pass is over after as many letters as the queue held at its
 * begin, or when enough are replayed. What comes a second time is not looked at again: a pass may then go on into letters
 * that it has moved to the tail itself, which costs a little and changes nothing.
 *
 * `resumedRun`: when the run began, where it was interrupted since. Then letters that come a second time may be those
 * that were in hand: they count as taken only when the index says that they are new, so that none is left because of its
 * copy. And what was rejected later is left, since it may be what this run has replayed in vain.
 */
export function createLetterPass({
  length,
  max,
  code,
  resumedRun,
}: {
  length: number
  /** Most letters to replay. */
  max: number
  code: string
  resumedRun: Date | null
}): LetterPass {
  let looked = 0
  let taken = 0
  const isOver = () => looked >= length || taken >= max
  const isDoubtful = ({ redelivered }: Letter) => redelivered && resumedRun !== null
  return {
    isOver,
    wants: (letter) => {
      if (isOver()) return false
      if (!letter.redelivered) looked += 1
      if (letter.headers[REJECTION_CODE] !== code) return false
      const rejectedAt = Date.parse(String(letter.headers[REJECTED_AT]))
      if (resumedRun !== null && rejectedAt >= resumedRun.getTime()) return false
      if (!isDoubtful(letter)) taken += 1
      return true
    },
    replayed: (letter, marked) => {
      if (!isDoubtful(letter)) return 'new'
      if (marked === undefined) return 'unsure'
      if (marked) return 'copy'
      taken += 1
      return 'new'
    },
  }
}
