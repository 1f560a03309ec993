/**
 * Readers and one writer, first come first served.
 *
 * Adding and pinning are readers, garbage collection is the writer: between an add's blocks and its pin nothing may be collected.
 * The queue is fair, so that neither a stream of adds starves the collector nor the other way round.
 */
export class ReadersWriterLock {
  #readers = 0
  #writing = false
  #queue = []

  /** Wait for a place among the readers. Resolves to the function that gives the place back. */
  shared () { return this.#enter(false) }

  /** Wait until nobody else is inside. Resolves to the function that gives the place back. */
  exclusive () { return this.#enter(true) }

  #enter (writer) {
    return new Promise(resolve => {
      this.#queue.push({ writer, resolve })
      this.#admit()
    })
  }

  #admit () {
    while (this.#queue.length > 0 && !this.#writing && !(this.#queue[0].writer && this.#readers > 0)) {
      const { writer, resolve } = this.#queue.shift()
      if (writer) this.#writing = true
      else this.#readers++
      resolve(this.#leave(writer))
    }
  }

  #leave (writer) {
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      if (writer) this.#writing = false
      else this.#readers--
      this.#admit()
    }
  }
}
