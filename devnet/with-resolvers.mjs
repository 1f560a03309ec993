// Node 20 has no Promise.withResolvers, which modules of the Helia 5 era call. Import this before them.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((onResolved, onRejected) => { [resolve, reject] = [onResolved, onRejected] })
  return { promise, resolve, reject }
}
