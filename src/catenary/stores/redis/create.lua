#!lua
-- Make a dataset, unless it is there.
--
-- KEYS: meta, undo
-- ARGV: format, incarnation
-- Returns its format and incarnation.
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], 'format', ARGV[1], 'incarnation', ARGV[2], 'version', 0, 'kept', 0)
    -- While its slot moves, a cluster refuses scripts that name a key which is not there: this one always is.
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[2], 0, 0)
end
return redis.call('HMGET', KEYS[1], 'format', 'incarnation')
