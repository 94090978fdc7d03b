/* tally counts the lines of its standard input. */
#include <stdio.h>

int main(void)
{
	unsigned long lines = 0;
	int c;

	while ((c = getchar()) != EOF)
		lines += c == '\n';
	printf("tally " VERSION ": %lu\n", lines);
	return 0;
}
