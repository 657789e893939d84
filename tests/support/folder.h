// folder.h - a folder for one test, under /tmp, empty at first.
//
// Lifetime  from folder_make to folder_remove, with all that lies in it by
//           then.

#pragma once

enum { FOLDER_LEN = 64 };

// folder_make makes the folder and writes its path; fails the test if it
// cannot.
void folder_make(char path[FOLDER_LEN]);

// folder_empty removes what lies in the folder `path`.
void folder_empty(const char *path);

// folder_remove removes the folder `path`, where it is, and what lies in it;
// fails the test if it cannot.
void folder_remove(const char *path);
