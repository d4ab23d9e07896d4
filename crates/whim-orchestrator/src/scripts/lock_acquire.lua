-- Locks a set of files for a worker: all of them, or none.
-- KEYS: the worker's index, then one key a file. ARGV: the worker, the time to live in milliseconds.
-- Returns pairs (position of the file, holder) of those that others hold; empty when all were granted.
local held = {}
for i = 2, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if holder and holder ~= ARGV[1] then
    held[#held + 1] = tostring(i - 2)
    held[#held + 1] = holder
  end
end
if #held > 0 then
  return held
end
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])
  redis.call('SADD', KEYS[1], KEYS[i])
end
-- What the worker already held lives on as long as what it just got: its index must outlive every lock in it.
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {}
