import { once, setMaxListeners } from 'node:events'
import http from 'node:http'
import { contentCommands } from './content-commands.mjs'
import { ClientError, errorBody } from './errors.mjs'
import { nodeCommands } from './node-commands.mjs'
import { pinCommands } from './pin-commands.mjs'
import { Query } from './query.mjs'

const PREFIX = '/api/v0/'
const KEEP_ALIVE_MS = 60_000
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * Kubo's RPC API over a node. A command answers with
 *
 * - a plain object: one JSON document;
 * - {lines}: an async iterable of objects, one JSON document a line;
 * - {bytes, type}: an iterable of byte arrays and their media type.
 *
 * Its context is {query, request, signal}; the signal aborts when the client goes away or its own `timeout` has passed.
 */
export function createRpc (node, shutdown) {
  const commands = {
    ...nodeCommands,
    ...contentCommands,
    ...pinCommands,
    shutdown: async () => { setImmediate(shutdown); return {} }
  }
  const server = http.createServer((request, response) => handle(request, response, commands, node))
  server.requestTimeout = 0 // an upload takes as long as it takes
  server.keepAliveTimeout = KEEP_ALIVE_MS
  return server
}

async function handle (request, response, commands, node) {
  const url = new URL(request.url, 'http://node')
  const command = url.pathname.startsWith(PREFIX) ? url.pathname.slice(PREFIX.length).replace(/\/$/, '') : ''
  if (!isAllowed(request)) return refuse(response, 403, '403 - Forbidden')
  if (!Object.hasOwn(commands, command)) return refuse(response, 404, '404 page not found')
  if (request.method !== 'POST') return refuse(response, 405, '405 - Method Not Allowed', { Allow: 'POST' })
  const gone = new AbortController()
  response.once('close', () => gone.abort(new Error('the client went away')))
  request.on('error', () => {}) // the same news, which 'close' brings
  const query = new Query(url.searchParams)
  let signal = gone.signal
  try {
    signal = withTimeout(gone.signal, query.text('timeout'))
    setMaxListeners(0, signal) // one listener per block under way
    await send(await commands[command]({ query, request, signal }, node), response, signal)
  } catch (error) {
    // The rest of an upload is read and dropped: a client that still sends does not see the answer.
    request.unpipe().resume()
    fail(response, signal.aborted ? signal.reason : error)
  }
}

/** As in Kubo: a page of another origin must not drive the node, so what a browser sends needs an origin of our own. */
function isAllowed ({ headers, socket }) {
  const own = ['127.0.0.1', 'localhost', '[::1]'].flatMap(host => ['http', 'https'].map(scheme => `${scheme}://${host}:${socket.localPort}`))
  if (headers.origin != null) return own.includes(headers.origin)
  if (headers.referer != null) return URL.canParse(headers.referer) && own.includes(new URL(headers.referer).origin)
  return !(headers['user-agent'] ?? '').startsWith('Mozilla')
}

function refuse (response, status, text, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`)
}

function withTimeout (signal, text) {
  if (text == null) return signal
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (parts.map(([part]) => part).join('') !== text) throw new ClientError(`invalid timeout: ${text}`)
  const milliseconds = parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0)
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(new Error('context deadline exceeded')), milliseconds)
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return AbortSignal.any([signal, deadline.signal])
}

async function send (answer, response, signal) {
  if (answer.lines != null) {
    const headers = { 'Content-Type': 'application/json', 'X-Chunked-Output': '1' }
    await stream(asLines(answer.lines), response, signal, headers)
  } else if (answer.bytes != null) {
    await stream(answer.bytes, response, signal, { 'Content-Type': answer.type, 'X-Stream-Output': '1' })
  } else {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(answer)}\n`)
  }
}

async function * asLines (values) {
  for await (const value of values) yield `${JSON.stringify(value)}\n`
}

// The status waits for the first chunk: what fails before it is an error with a status of its own.
async function stream (chunks, response, signal, headers) {
  const start = () => { if (!response.headersSent) response.writeHead(200, headers) }
  for await (const chunk of chunks) {
    start()
    if (!response.write(chunk)) await once(response, 'drain', { signal })
  }
  start()
  response.end()
}

function fail (response, error) {
  const body = errorBody(error)
  if (response.destroyed) return
  if (!response.headersSent) {
    response.writeHead(body.Code === 1 ? 400 : 500, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
  } else if (response.getHeader('x-chunked-output') != null) {
    response.end(`${JSON.stringify(body)}\n`) // Kubo's clients know an error in the last line
  } else {
    response.destroy() // cut short, so that nobody takes it for the whole
  }
}
