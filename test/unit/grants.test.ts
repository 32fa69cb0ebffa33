import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CANCELLING_COLUMNS, grantStatements } from '../../src/database/grants.ts'

test('the API alone may set just those columns that cancelling sets', () => {
  const statement = readFileSync(new URL('../../src/request/change-requests.sql.ts', import.meta.url), 'utf8')
  const set = statement.slice(
    statement.indexOf('UPDATE provision_request'),
    statement.indexOf('FROM input i'),
  )
  const columns = [...set.matchAll(/^ {4}(\w+) = /gm)].map(([, column]) => column)
  expect([...CANCELLING_COLUMNS].toSorted()).toEqual(columns.toSorted())
})

test('a role may have any name', () => {
  for (const statement of grantStatements('a"; DROP TABLE claim; --', 'service'))
    expect(statement).toContain('"a""; DROP TABLE claim; --"')
})
