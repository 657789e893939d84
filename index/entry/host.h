// host.h - the host inside what stands where a name should.
//
// dNSNames and common names hold URLs, ports, CIDR prefixes and mailboxes;
// mailboxes and URIs hold hosts.  Only where the host begins and ends is told
// here, not whether it is one.
//
// Lifetime  what is returned points into the text that was given.
// Result    pure; an empty view where there is no host.

#pragma once

#include "index/base/bytes.h"

// host_trim drops blanks on both sides and dots at the end.
struct bytes host_trim(struct bytes text);

// host_trim_blanks drops blanks on both sides.
struct bytes host_trim_blanks(struct bytes text);

// host_has_blank tells whether a blank is among the bytes.
bool host_has_blank(struct bytes text);

// host_is_plain tells whether every byte is one that host names really have:
// a letter, a digit, '-', '_', '.' or the '*' of a wildcard.
bool host_is_plain(struct bytes text);

// What host_lower saw.
enum host_sight {
    HOST_NOT_PLAIN = 1,   // a byte that host_is_plain does not take
    HOST_STAR = 2,        // a '*'
    HOST_TWO_HYPHENS = 4, // perhaps two hyphens in a row; 0: none
};

// host_lower writes `text` with its ASCII letters in lower case to `out`, and
// tells what is in it.
unsigned host_lower(uint8_t *out, struct bytes text);

// host_of_name finds the host of a name with a scheme, user, port, path or
// prefix length; `is_url` is set where it was more than a user.
struct bytes host_of_name(struct bytes name, bool *is_url);

// host_of_mailbox finds what stands right of the last '@', else all of it.
struct bytes host_of_mailbox(struct bytes mailbox);

// host_of_uri finds the host of a URI, also of one without "//" (sip:a@b).
struct bytes host_of_uri(struct bytes uri);
