/*
 * Stand-in for bcryptprimitives.dll, which Wine 8 lacks and every Go program on Windows asks for random numbers. It is
 * used by make test-windows only. SystemFunction036 is RtlGenRandom in advapi32.dll.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
	while (length > 0) {
		ULONG part = length > 0x40000000 ? 0x40000000 : (ULONG)length;

		if (!SystemFunction036(data, part))
			return FALSE;
		data += part;
		length -= part;
	}
	return TRUE;
}
