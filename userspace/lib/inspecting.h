/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wardenctl and the jailed program that it starts on a file of memory agree upon. */
#ifndef WARDEN_INSPECTING_H
#define WARDEN_INSPECTING_H

#define INSPECT_FILE_FD 3		/* the memory, to be read */
#define INSPECT_OUT_FD 4		/* bytes that are asked for go there */

#endif
