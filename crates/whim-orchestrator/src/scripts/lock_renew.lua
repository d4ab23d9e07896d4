-- Gives everything that a worker holds its full time to live again. It is called with every heartbeat, and does nothing
-- before half of the time is over.
-- KEYS: the worker's index. ARGV: the worker, the time to live in milliseconds.
-- Returns how many locks were renewed.
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > tonumber(ARGV[2]) / 2 then
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
