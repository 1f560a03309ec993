import { CID } from 'multiformats/cid'
import { ClientError } from './errors.mjs'

/** The arguments and options of a call to Kubo's RPC API, as its query string gives them. */
export class Query {
  #parameters

  constructor (parameters) { this.#parameters = parameters }

  /** All arguments; at least one, if a name for it is given. */
  args (required) {
    const args = this.#parameters.getAll('arg')
    if (required != null && args.length === 0) throw new ClientError(`argument "${required}" is required`)
    return args
  }

  has (name) { return this.#parameters.has(name) }

  text (name, otherwise) { return this.#parameters.get(name) ?? otherwise }

  flag (name, otherwise = false) {
    const value = this.#parameters.get(name)
    if (value == null) return otherwise
    if (['true', '1', ''].includes(value.toLowerCase())) return true
    if (['false', '0'].includes(value.toLowerCase())) return false
    throw new ClientError(`option ${name} is neither true nor false: ${value}`)
  }

  /** A whole number that is not negative. */
  number (name, otherwise) {
    const value = this.#parameters.get(name)
    if (value == null) return otherwise
    if (!/^\d{1,15}$/.test(value)) throw new ClientError(`option ${name} is not a number that is not negative: ${value}`)
    return Number(value)
  }
}

export function parseCid (text) {
  try {
    return CID.parse(text)
  } catch (error) {
    throw new ClientError(`invalid path "${text}": invalid cid: ${error.message}`)
  }
}

/** "/ipfs/CID/a/b" or "CID/a/b" to {cid, path}. */
export function parsePath (text) {
  const [root, ...names] = text.replace(/^\/?ipfs\//, '').split('/')
  return { cid: parseCid(root), path: names.filter(Boolean).length > 0 ? `/${names.filter(Boolean).join('/')}` : undefined }
}
