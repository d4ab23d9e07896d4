-- Locks a set of files for a worker: all of them or none, or those that are free.
-- KEYS: the marker, the worker's index, then one key per file. ARGV: the worker, the time to live in milliseconds, `all`
-- or `free`.
-- Returns pairs (position of the file, holder) of the files that other workers hold; nil when this server was emptied or
-- restarted, and the locks have to be restored first.
if redis.call('GET', KEYS[1]) ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then
  return nil
end
local held, free = {}, {}
for i, holder in ipairs(redis.call('MGET', unpack(KEYS, 3))) do
  if holder and holder ~= ARGV[1] then
    held[#held + 1] = tostring(i - 1)
    held[#held + 1] = holder
  else
    free[#free + 1] = KEYS[i + 2]
  end
end
if ARGV[3] == 'all' and #held > 0 then
  return held
end
for _, key in ipairs(free) do
  redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end
if #free > 0 then
  redis.call('SADD', KEYS[2], unpack(free))
end
-- The index must outlive every lock in it.
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return held
