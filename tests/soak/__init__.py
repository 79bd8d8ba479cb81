"""Hours of use in minutes: nothing may be left over, and memory has to stay flat."""
