#!lua flags=allow-oom
-- Read rows as they are now, and what commits since a version replaced.
--
-- KEYS: meta, keys, rows, undo
-- ARGV: incarnation, the lease's name, its length (ms), the version after which commits are told of, then
--       either lists of keys, or 'range', from, to, at most
-- Returns {version, undone (lists of key, value, …; older commits first), keys of the range, values}.
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
local lease = redis.call('HGET', KEYS[1], ARGV[2])
if not lease then
    return redis.error_reply('CATENARYOVER')
end
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
local of = string.match(lease, '%d+')
redis.call('HSET', KEYS[1], ARGV[2], of .. ':' .. string.format('%.0f', deadline))

local version = tonumber(redis.call('HGET', KEYS[1], 'version'))
local undone = {}
for each = ARGV[4] + 1, version do
    -- Who has replaced nothing says so with a count of 0: of what is missing it is not known what it was.
    local lists = redis.call('HGET', KEYS[4], each)
    if not lists then
        return redis.error_reply('CATENARYOVER')
    end
    for list = 1, tonumber(lists) do
        undone[#undone + 1] = cmsgpack.unpack(redis.call('HGET', KEYS[4], each .. ':' .. list))
    end
end
local keys, values = {}, {}
if ARGV[5] == 'range' then
    keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[6], ARGV[7], 'LIMIT', 0, ARGV[8])
    if #keys > 0 then
        values[1] = redis.call('HMGET', KEYS[3], unpack(keys))
    end
else
    for list = 5, #ARGV do
        values[list - 4] = redis.call('HMGET', KEYS[3], unpack(cmsgpack.unpack(ARGV[list])))
    end
end
return {version, undone, keys, values}
