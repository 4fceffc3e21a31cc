// E2B's TypeScript SDK, unchanged. E2B_API_KEY, E2B_API_URL and E2B_SANDBOX_URL lead it to
// `vivarium serve`.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Sandbox } from '@e2b/code-interpreter'
import { CommandExitError, NotFoundError, SandboxNotFoundError, TimeoutError } from 'e2b'

/** Waits until something is so. */
async function until(check) {
  const end = Date.now() + 30_000
  while (Date.now() < end) {
    const found = await check()
    if (found) return found
    await sleep(20)
  }
  assert.fail('it did not come to that in time')
}

describe('a sandbox', () => {
  let sandbox
  before(async () => {
    sandbox = await Sandbox.create({ timeoutMs: 600_000, envs: { OWN: 'value' }, metadata: { by: 'tests & more' } })
  })
  after(() => sandbox?.kill())

  test('runs commands', async () => {
    const heard = []
    const ended = await sandbox.commands.run('echo out; echo err >&2; echo $OWN', { onStdout: (text) => heard.push(text) })
    assert.deepEqual([ended.stdout, ended.stderr, ended.exitCode], ['out\nvalue\n', 'err\n', 0])
    assert.equal(heard.join(''), 'out\nvalue\n')
    await assert.rejects(sandbox.commands.run('exit 7'), (error) => error instanceof CommandExitError && error.exitCode === 7)
    await assert.rejects(sandbox.commands.run('sleep 600', { timeoutMs: 1000 }), TimeoutError)
  })

  test('has commands in the background with input', async () => {
    const command = await sandbox.commands.run('read line; echo got $line; sleep 600', { background: true, stdin: true, timeoutMs: 0 })
    await sandbox.commands.sendStdin(command.pid, 'one\n')
    await until(() => command.stdout === 'got one\n')
    assert.ok((await sandbox.commands.list()).some(({ pid }) => pid === command.pid))
    assert.equal(await sandbox.commands.kill(command.pid), true)
    await assert.rejects(command.wait(), CommandExitError)
    assert.equal(await sandbox.commands.kill(command.pid), false)
  })

  test('has a terminal', async () => {
    let shown = ''
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, timeoutMs: 0, onData: (data) => (shown += new TextDecoder().decode(data)) })
    const type = (text) => sandbox.pty.sendInput(pty.pid, new TextEncoder().encode(text))
    await type("stty size; echo mar''ker\n")
    await until(() => shown.includes('24 80') && shown.includes('marker'))
    await sandbox.pty.resize(pty.pid, { cols: 100, rows: 30 })
    await type('stty size\n')
    await until(() => shown.includes('30 100'))
    assert.equal(await sandbox.pty.kill(pty.pid), true)
    await assert.rejects(pty.wait())
  })

  test('keeps files', async () => {
    const { files } = sandbox
    const written = await files.write('folder/a ä.txt', 'text')
    assert.equal(written.path, '/home/user/folder/a ä.txt')
    assert.equal(await files.read('folder/a ä.txt'), 'text')
    const content = new Uint8Array(3_000_000).map((_, at) => at % 251)
    await files.write('/tmp/big', new Blob([content]))
    assert.deepEqual(await files.read('/tmp/big', { format: 'bytes' }), content)
    await files.write('empty', '')
    assert.equal(await files.read('empty'), '')
    await files.write([
      { path: 'many/1', data: 'one' },
      { path: 'many/2', data: 'two' },
    ])
    assert.deepEqual((await files.list('many')).map(({ name }) => name).sort(), ['1', '2'])
    assert.equal(await files.makeDir('many'), false)
    assert.equal((await files.rename('many/1', 'many/3')).name, '3')
    await files.remove('many')
    assert.equal(await files.exists('many'), false)
    await assert.rejects(files.read('many/1'), NotFoundError)
    await files.write('packed', 'again '.repeat(100_000), { gzip: true })
    assert.equal((await files.read('packed')).length, 600_000)
  })

  test('tells of changes in a folder', async () => {
    const events = []
    await sandbox.files.makeDir('watched')
    const watcher = await sandbox.files.watchDir('watched', (event) => events.push(event))
    await sandbox.files.write('watched/new', 'text')
    await until(() => events.some(({ name }) => name === 'new'))
    await watcher.stop()
  })

  test('has signed addresses', async () => {
    await sandbox.files.write('shared', 'for all')
    const url = await sandbox.downloadUrl('shared', { useSignatureExpiration: 600_000 })
    const answer = await fetch(url)
    assert.equal(await answer.text(), 'for all')
    assert.match(answer.headers.get('content-disposition'), /^attachment/)
    assert.equal((await fetch(url.replace('shared', 'other'))).status, 401)
    const form = new FormData()
    form.append('file', new Blob(['sent']), 'sent')
    const sent = await fetch(await sandbox.uploadUrl('sent'), { method: 'POST', body: form })
    assert.equal(sent.status, 200, await sent.text())
    assert.equal(await sandbox.files.read('sent'), 'sent')
  })

  test('runs code whose variables stay', async () => {
    await sandbox.runCode('x = 20')
    const ran = await sandbox.runCode("print('told'); x + 22")
    assert.deepEqual([ran.text, ran.logs.stdout], ['42', ['told\n']])
    const failed = await sandbox.runCode('1 / 0')
    assert.equal(failed.error.name, 'ZeroDivisionError')
    const context = await sandbox.createCodeContext({ cwd: '/tmp' })
    await sandbox.runCode('only_here = 1', { context })
    assert.equal((await sandbox.runCode('only_here')).error.name, 'NameError')
    assert.ok((await sandbox.listCodeContexts()).some(({ id }) => id === context.id))
    await sandbox.restartCodeContext(context)
    assert.equal((await sandbox.runCode('only_here', { context })).error.name, 'NameError')
    await sandbox.removeCodeContext(context)
  })

  test('is found again, paused, and gone', async () => {
    const other = await Sandbox.create({ metadata: { other: `${process.hrtime.bigint()}` } })
    try {
      const { metadata } = await other.getInfo()
      const pages = Sandbox.list({ query: { metadata } })
      assert.deepEqual((await pages.nextItems()).map(({ sandboxId }) => sandboxId), [other.sandboxId])
      await other.files.write('left', 'here')
      assert.equal(await (await Sandbox.connect(other.sandboxId)).files.read('left'), 'here')
      await other.pause()
      assert.equal(await other.isRunning(), false)
      assert.equal(await (await other.connect()).files.read('left'), 'here')
      await other.setTimeout(900_000)
    } finally {
      assert.equal(await other.kill(), true)
    }
    assert.equal(await other.kill(), false)
    assert.equal(await other.isRunning(), false)
    const isGone = (error) => error instanceof SandboxNotFoundError || error instanceof TimeoutError
    await assert.rejects(other.commands.run('true'), isGone)
    await assert.rejects(other.runCode('1'), isGone)
  })
})
