"""The measurements behind the defence table: what each defence costs its customer, and the best of many thieves."""
