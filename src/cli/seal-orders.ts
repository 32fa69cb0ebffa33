import type { SealingKeys } from '../contracts/key-set.ts'
import { replacePassword } from '../contracts/replace-password.ts'
import { createSealTo } from '../secrets/seal-to.ts'
import type { Api } from './api.ts'
import { CommandError } from './command-error.ts'
import type { Order } from './read-orders.ts'

/** The orders with their passwords sealed to the newest key of the service; one that is sealed stays as it is. */
export async function sealOrders(api: Pick<Api, 'read'>, orders: readonly Order[]): Promise<Order[]> {
  const { keys } = await api.read<SealingKeys>('/.well-known/provisioner-keys')
  const [newest] = keys
  if (newest === undefined)
    throw new CommandError('failed', 'no_key', 'the service publishes no key to seal to')
  const seal = await createSealTo(newest)
  return Promise.all(
    orders.map(async (order) => {
      const text = order.body.toString('utf8')
      const value = JSON.parse(text) as Body & { data?: Body }
      const password = (order.contentType === 'application/json' ? value : value.data)?.spec?.password
      if (typeof password !== 'string') return order
      const sealed = replacePassword(text, order.contentType, await seal(password))
      if (sealed === undefined) throw new Error(`the password of line ${order.line} could not be sealed`)
      return { ...order, body: Buffer.from(sealed) }
    }),
  )
}

interface Body {
  spec?: { password?: string | null }
}
