import { createTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import type { ProxyAnswer, ProxyOrder } from './proxies.ts'

/** The process that the proxies live in; see proxies.ts. Orders come and answers go by the parent's channel. */
const proxies = new Map<string, TcpProxy>()

async function carryOut(order: ProxyOrder): Promise<number | null> {
  if (order.action === 'open') {
    const proxy = await createTcpProxy({ target: order.target })
    proxies.set(order.name, proxy)
    return proxy.port
  }
  const proxy = proxies.get(order.name)
  if (proxy === undefined) throw new Error(`no proxy ${order.name}`)
  switch (order.action) {
    case 'pass':
      proxy.pass()
      break
    case 'cut':
      proxy.cut(order.how)
      break
    case 'refuse':
      proxy.refuse()
      break
    case 'freeze':
      proxy.freeze()
      break
    case 'delay':
      proxy.delay(order.ms, order.direction)
      break
    case 'dropAfter':
      proxy.dropAfter(order.bytes, order.direction, order.afterwards)
  }
  return null
}

process.on('message', (order: ProxyOrder) => {
  carryOut(order).then(
    (port) => process.send?.({ id: order.id, port } satisfies ProxyAnswer),
    (error: unknown) =>
      process.send?.({ id: order.id, port: null, error: String(error) } satisfies ProxyAnswer),
  )
})
// The parent is gone, however it ended.
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group; the parent says when it is over.
process.on('SIGINT', () => undefined)
