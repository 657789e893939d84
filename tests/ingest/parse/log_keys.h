// log_keys.h - keys of real logs, for descriptions in tests.

#pragma once

// Argon2020's and Yeti2018's, as their lists give them.
#define KEY_A                                                                  \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6Tx2p1yKY4015NyIYvdrk36es0uAc1zA4PQ+" \
    "TGRY+3ZjUTIYY9Wyu+3q/147JG4vNVKLtDWarZwVqGkg6lAYzA=="
#define ID_A "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4="
#define KEY_B                                                                  \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESYlKFDLLFmA9JScaiaNnqlU8oWDytxIYMfsw" \
    "Hy9Esg0aiX+WnP/yj4O0ViEHtLwbmOQeSWBGkIu9YK9CLeer+g=="
#define ID_B "wRZK4Kdy0tQ5LcgKwQdw1PDEm96ZGkhAwfoHUWT2M2A="
#define ROOT64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
