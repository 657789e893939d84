// place.h - where an index lies when nobody says so; common to all programs.

#pragma once

// place_of_index is `given` when not NULL, else $SANCT_INDEX, else as root
// /var/lib/sanct, else $XDG_DATA_HOME/sanct, else ~/.local/share/sanct.  Good
// until the next call.
const char *place_of_index(const char *given);
