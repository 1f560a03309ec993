import { on } from 'node:events'
import { pipeline } from 'node:stream/promises'
import busboy from 'busboy'
import { ClientError } from './errors.mjs'

const IDLE_MS = 60_000

/**
 * The parts of an upload as {name, type, content}; content is a stream that must be read before the next part is asked for.
 *
 * An upload from which nothing comes for a minute is ended: it would hold off garbage collection, and that everybody else.
 */
export async function * uploadedParts (request, signal) {
  const parser = openParser(request)
  request.socket.setTimeout(IDLE_MS, () => request.destroy(new Error('upload timed out')))
  const parts = on(parser, 'file', { close: ['close'], signal })
  const transfer = pipeline(request, parser)
  transfer.catch(error => parser.destroy(error)) // reported through the iteration
  try {
    for await (const [field, content, { filename, mimeType }] of parts) {
      yield { name: unescapeName(filename ?? ''), field, type: mimeType, content }
    }
    await transfer
  } finally {
    request.socket.setTimeout(0)
  }
}

function openParser (request) {
  try {
    return busboy({ headers: request.headers, preservePath: true, defParamCharset: 'utf8' })
  } catch (error) {
    throw new ClientError(`file argument 'path' is required: ${error.message}`)
  }
}

// Kubo's clients escape names as in a query string.
function unescapeName (name) {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
