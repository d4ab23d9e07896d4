-- Releases an unused cooldown, unless another holder has started one since.
-- KEYS: the cooldown. ARGV: the holder.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
