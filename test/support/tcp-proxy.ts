export { createTcpProxy, type Direction, type TcpProxy } from '../../dev/tcp-proxy.ts'
