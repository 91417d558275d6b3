-- one value: communes of the list before the merger
select count(*)
from unit
where scheme = 'gso2024' and level = 'commune'
