/* SPDX-License-Identifier: Apache-2.0 */
/* A shared library that is no plug-in. */
int farlane_nothing(void);

int farlane_nothing(void) {
  return 0;
}
