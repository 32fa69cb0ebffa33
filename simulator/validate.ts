import { invalid, missing, type Reply } from './reply.ts'

/**
 * The field rules of RunInstances, CreateInstance and DeleteInstances, read from the API document. Where the
 * document is open the numbered resolutions A1-A21 of README.md hold. Messages name the field, never its
 * value.
 */
export type InstanceSpec = {
  name: string
  image_id: string
  vpc_id: string
  network_interfaces: { subnet_id: string; ipv4_address?: string }[]
  metadata: Record<string, string>
  description: string
}

/** `servers` is null under random scheduling; otherwise distinct ids, and the counts play no part. */
export type Order = { spec: InstanceSpec; servers: string[] | null; min: number; max: number }

export type Checked<T> = { ok: true; value: T } | { ok: false; reply: Reply }

type Faults = { missing: string[]; invalid: string[] }
type Members = Record<string, unknown>

const maxInterfaces = 2
const maxPairs = 10
const maxCharacters = 255
const maxServers = 50
const maxDeletes = 50
const maxCount = 100

/** A10: ASCII letters and digits, `_` `-` `.` and Han script. */
const nameCharacters = /^[A-Za-z0-9_.\-\p{Script=Han}]+$/u
const metadataKey = /^[A-Za-z0-9 _:.-]{1,255}$/
const passwordClasses = [/[A-Z]/, /[a-z]/, /[0-9]/, /[!@$%^\-_=+[{}\]:,./?]/]
/** A13, A14: both administrators and their reverses, in this case only. */
const passwordForbidden = ['root', 'toor', 'Administrator', 'rotartsinimdA']

export function checkBatchCreate(body: unknown): Checked<Order> {
  return check(body, (members, faults) => {
    const spec = readSpec(members, faults, false)
    const servers = readServerSet(members.placement, faults)
    const placed = servers !== null && servers.length > 0
    const min = readCount(members.min_count, 'min_count', placed, faults)
    const max = readCount(members.max_count, 'max_count', placed, faults)
    if (min !== null && max !== null && min > max) faults.invalid.push('min_count (greater than max_count)')
    return {
      spec,
      servers: placed ? [...new Set(servers)] : null,
      min: min ?? 1,
      max: max ?? min ?? 1,
    }
  })
}

export function checkCreate(body: unknown): Checked<Order> {
  return check(body, (members, faults) => {
    const spec = readSpec(members, faults, true)
    const placement = readPlacement(members.placement, faults)
    const server = placement?.server_id ?? null
    if (server !== null && (typeof server !== 'string' || server === '')) {
      faults.invalid.push('placement.server_id (a server ID)')
    }
    return { spec, servers: typeof server === 'string' ? [server] : null, min: 1, max: 1 }
  })
}

/** The instance ids of a batch delete, distinct. */
export function checkBatchDelete(body: unknown): Checked<string[]> {
  return check(body, (members, faults) => {
    const ids = members.instance_id_set ?? null
    if (ids === null) {
      faults.missing.push('instance_id_set')
      return []
    }
    if (!Array.isArray(ids) || ids.length === 0 || ids.length > maxDeletes || !ids.every(isId)) {
      faults.invalid.push(`instance_id_set (1 to ${maxDeletes} instance IDs)`)
      return []
    }
    return [...new Set<string>(ids)]
  })
}

function check<T>(body: unknown, read: (members: Members, faults: Faults) => T): Checked<T> {
  if (!isObject(body)) return { ok: false, reply: invalid('body (a JSON object)') }
  const faults: Faults = { missing: [], invalid: [] }
  const value = read(body, faults)
  if (faults.missing.length > 0) return { ok: false, reply: missing(faults.missing) }
  if (faults.invalid.length > 0) return { ok: false, reply: invalid(faults.invalid.join('; ')) }
  return { ok: true, value }
}

function readSpec(members: Members, faults: Faults, withAddresses: boolean): InstanceSpec {
  const name = readText(members.name, 'name', faults)
  if (name !== null && (!nameCharacters.test(name) || longerThan(name, 63))) {
    faults.invalid.push('name (1 to 63 letters, digits, underscores, hyphens and periods)')
  }
  const image = readText(members.image_id, 'image_id', faults)
  if (image === '') faults.invalid.push('image_id (an image ID)')
  const vpc = readText(members.vpc_id, 'vpc_id', faults)
  if (vpc === '') faults.invalid.push('vpc_id (a VPC ID)')
  const interfaces = readInterfaces(members.network_interfaces, faults, withAddresses)
  checkPassword(readText(members.password, 'password', faults), faults)
  const description = members.description ?? ''
  if (typeof description !== 'string' || longerThan(description, maxCharacters)) {
    faults.invalid.push(`description (at most ${maxCharacters} characters)`)
  }
  return {
    name: name ?? '',
    image_id: image ?? '',
    vpc_id: vpc ?? '',
    network_interfaces: interfaces,
    metadata: readMetadata(members.metadata, faults),
    description: String(description),
  }
}

/** A mandatory text: absent and null are missing (A16), another type is invalid (A17). */
function readText(value: unknown, field: string, faults: Faults): string | null {
  if (value === undefined || value === null) faults.missing.push(field)
  else if (typeof value !== 'string') faults.invalid.push(`${field} (a string)`)
  else return value
  return null
}

function readInterfaces(
  value: unknown,
  faults: Faults,
  withAddresses: boolean,
): InstanceSpec['network_interfaces'] {
  const field = 'network_interfaces'
  if (value === undefined || value === null) {
    faults.missing.push(field)
    return []
  }
  // A7: an empty list has no primary interface.
  if (!Array.isArray(value) || value.length === 0 || value.length > maxInterfaces) {
    faults.invalid.push(`${field} (1 to ${maxInterfaces} network interfaces)`)
    return []
  }
  return value.map((entry: unknown, index) => {
    const path = `${field}[${index}]`
    if (!isObject(entry)) {
      faults.invalid.push(`${path} (an object)`)
      return { subnet_id: '' }
    }
    const subnet = readText(entry.subnet_id, `${path}.subnet_id`, faults)
    if (subnet === '') faults.invalid.push(`${path}.subnet_id (a subnet ID)`)
    // A9: a fixed address belongs to CreateInstance; in a batch it is ignored like any unknown member.
    const address = withAddresses ? (entry.ipv4_address ?? null) : null
    if (address === null) return { subnet_id: subnet ?? '' }
    if (typeof address !== 'string') faults.invalid.push(`${path}.ipv4_address (a string)`)
    return { subnet_id: subnet ?? '', ipv4_address: String(address) }
  })
}

function checkPassword(password: string | null, faults: Faults): void {
  if (password === null) return
  const classes = passwordClasses.filter((kind) => kind.test(password)).length
  if (shorterThan(password, 8) || longerThan(password, 26))
    faults.invalid.push('password (8 to 26 characters)')
  // A12: characters of no class are accepted beside three good classes.
  else if (classes < 3) faults.invalid.push('password (at least three of the four character types)')
  else if (passwordForbidden.some((word) => password.includes(word))) {
    faults.invalid.push('password (contains the user name or its reverse)')
  }
}

function readMetadata(value: unknown, faults: Faults): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) {
    faults.invalid.push('metadata (a map of strings)')
    return {}
  }
  const keys = Object.keys(value)
  if (keys.length > maxPairs) faults.invalid.push(`metadata (at most ${maxPairs} pairs)`)
  if (!keys.every((key) => metadataKey.test(key))) {
    faults.invalid.push(
      `metadata key (1 to ${maxCharacters} letters, spaces, digits, hyphens, underscores, colons and periods)`,
    )
  }
  if (!keys.every((key) => typeof value[key] === 'string' && !longerThan(value[key], maxCharacters))) {
    faults.invalid.push(`metadata value (a string of at most ${maxCharacters} characters)`)
  }
  return value as Record<string, string>
}

/** The given ids, or null when there is no placement; A4: an empty one counts as none. */
function readServerSet(value: unknown, faults: Faults): string[] | null {
  const ids = readPlacement(value, faults)?.server_id_set ?? null
  if (ids === null) return null
  // A5: the list has a length, so duplicates count towards it.
  if (!Array.isArray(ids) || ids.length > maxServers || !ids.every(isId)) {
    faults.invalid.push(`placement.server_id_set (at most ${maxServers} server IDs)`)
    return null
  }
  return ids
}

function readPlacement(value: unknown, faults: Faults): Members | null {
  if (value === undefined || value === null) return null
  if (isObject(value)) return value
  faults.invalid.push('placement (an object)')
  return null
}

/** A3: beside selected servers a count must still be a number, but its range does not matter. */
function readCount(value: unknown, field: string, placed: boolean, faults: Faults): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && placed) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= maxCount) return value
  faults.invalid.push(`${field} (an integer from 1 to ${maxCount})`)
  return null
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isId = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** A20: limits count code points. UTF-16 units are never fewer, which settles nearly every text at once. */
const longerThan = (text: string, most: number) => text.length > most && codePoints(text) > most
const shorterThan = (text: string, least: number) => text.length < least || codePoints(text) < least

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}
