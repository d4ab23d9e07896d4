-- Releases those of the given files that the worker holds.
-- KEYS: the worker's index, then one key per file. ARGV: the worker.
-- Returns the number of released locks.
if #KEYS < 2 then
  return 0
end
local own = {}
for i, holder in ipairs(redis.call('MGET', unpack(KEYS, 2))) do
  if holder == ARGV[1] then
    own[#own + 1] = KEYS[i + 1]
  end
end
redis.call('SREM', KEYS[1], unpack(KEYS, 2))
return #own > 0 and redis.call('DEL', unpack(own)) or 0
