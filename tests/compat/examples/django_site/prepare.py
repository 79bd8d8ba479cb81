"""Make the database with one user who may see everything; print a token for them."""

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - only after the set-up
from django.core.management import call_command  # noqa: E402
from sesame.utils import get_token  # noqa: E402

call_command("migrate", verbosity=0)
print(get_token(User.objects.create_superuser("ann")))
