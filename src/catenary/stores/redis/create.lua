#!lua
-- Make a dataset, unless it is there.
--
-- KEYS: meta, the names of all datasets
-- ARGV: format, incarnation, name
-- Returns its format and incarnation.
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], 'format', ARGV[1], 'incarnation', ARGV[2], 'version', 0, 'kept', 0)
end
redis.call('SADD', KEYS[2], ARGV[3])
return redis.call('HMGET', KEYS[1], 'format', 'incarnation')
