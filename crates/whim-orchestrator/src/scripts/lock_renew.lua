-- Resets the time to live of everything that a worker holds. Does nothing before half of the time is over.
-- KEYS: the worker's index. ARGV: the worker, the time to live in milliseconds.
-- Returns the number of renewed locks.
local remaining = redis.call('PTTL', KEYS[1])
if remaining < 0 or remaining > tonumber(ARGV[2]) / 2 then
  return 0
end
local renewed = 0
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('GET', key) == ARGV[1] then
    renewed = renewed + redis.call('PEXPIRE', key, ARGV[2])
  else
    redis.call('SREM', KEYS[1], key)
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return renewed
