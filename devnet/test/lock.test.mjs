import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import { ReadersWriterLock } from '../lock.mjs'

async function isPending (promise) {
  await turn()
  return await Promise.race([promise.then(() => false), turn().then(() => true)])
}

test('readers share', async () => {
  const lock = new ReadersWriterLock()
  await lock.shared()
  assert.equal(await isPending(lock.shared()), false)
})

test('the writer waits for all readers, and readers for the writer', async () => {
  const lock = new ReadersWriterLock()
  const leave = [await lock.shared(), await lock.shared()]
  const writer = lock.exclusive()
  const reader = lock.shared()
  leave[0]()
  assert.equal(await isPending(writer), true)
  leave[1]()
  const done = await writer
  assert.equal(await isPending(reader), true)
  done()
  assert.equal(await isPending(reader), false)
})

test('leaving twice counts once', async () => {
  const lock = new ReadersWriterLock()
  const [first] = [await lock.shared(), await lock.shared()]
  first()
  first()
  assert.equal(await isPending(lock.exclusive()), true)
})
