/* tls_memory.h: where OpenSSL's large buffers lie. A handshake takes three of 16 KiB and more for a moment,
 * between what a session keeps for hours; on the common heap each would leave a hole behind. */
#ifndef NET_TLS_MEMORY_H
#define NET_TLS_MEMORY_H

/* Before anything else of OpenSSL is called; later it changes nothing. */
void tls_memory_install(void);
/* Gives free buffers back to the kernel: for a moment when nothing else is to be done. */
void tls_memory_trim(void);

#endif
