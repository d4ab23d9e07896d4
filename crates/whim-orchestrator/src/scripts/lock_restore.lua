-- Writes the locks of the live workers to a server that was emptied or restarted, unless another orchestrator did so
-- before. Overwrites what a restarted server loaded from disk, because it may be older.
-- KEYS: the marker, then for each lock its key and the index of its worker. ARGV: the time to live in milliseconds, then
-- the worker of each lock.
-- Returns the number of written locks.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', KEYS[1]) == run then
  return 0
end
for i = 2, #ARGV do
  local lock, index = KEYS[2 * i - 2], KEYS[2 * i - 1]
  redis.call('SET', lock, ARGV[i], 'PX', ARGV[1])
  redis.call('SADD', index, lock)
  redis.call('PEXPIRE', index, ARGV[1])
end
redis.call('SET', KEYS[1], run)
return #ARGV - 1
