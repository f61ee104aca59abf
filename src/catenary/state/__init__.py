"""What lies in a GroupBy's dataset, and how it is read: key encoding, lanes, tiles, uploads.

    f                                  format: version, fingerprint
    l <lane>                           a lane: epoch, position, floor, …
    u                                  all uploads, the pointer among them
    r                                  registered readers; p <reader>: how far one has passed
    t <entity> 0 <lane> <level> <start>            a tile of a lane
    t <entity> 1 <upload> <lane> <level> <start>   a late tile, kept with an upload
    U <upload> <entity>                an upload's tiles of one entity, in one value
    i <lane> <level> <bucket> <number> tiles that wait to be merged
    d <lane> <offset> <row>            dead letters
    s <lane>                           what a stage says of itself

Every event lies in exactly one tile of its lane. One writer per lane, fenced by its epoch; a read is
one snapshot. Where bytes are kept is a store's business, what they mean is ours. (protocol 1 to 8)
"""
