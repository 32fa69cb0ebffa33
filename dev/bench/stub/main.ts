import { startStub } from './stub.ts'

/** The stub as a process: prints its URL as the first line, and runs until it is ended. */
const url = await startStub()
console.log(url)
